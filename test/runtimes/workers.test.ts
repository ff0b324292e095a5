// The app suite against the Worker in workerd.

import { describeApp } from '../contracts/app.ts'
import { startServer } from '../servers.ts'

describeApp('workers', options => startServer('workers', options), {
  'logs a line a request, with what operators search for': 'the log of a Worker goes to its platform',
})
