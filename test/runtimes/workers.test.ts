// The app suite against the Worker in workerd.

import { describeApp } from '../contracts/app.ts'
import { startServer } from '../servers.ts'

describeApp('workers', options => startServer('workers', options), {
  'does not end a chunked body that breaks off as if it were whole':
    'miniflare ends an aborted chunked body in order; workerd alone does not',
  'logs a line a request, with what operators search for': 'the log of a Worker goes to its platform',
})
