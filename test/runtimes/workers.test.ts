// The app suite against the Worker in workerd.

import { describeApp } from '../contracts/app.ts'
import { startServer } from '../servers.ts'

describeApp('workers', options => startServer('workers', options), {
  'keeps repositories made by the API over a restart':
    'a Worker has no process to restart; D1 keeps its rows',
  'stores the same bytes of two repositories once': 'what R2 holds cannot be seen from outside',
  'logs a line a request, with what operators search for': 'the log of a Worker goes to its platform',
})
