// The app suite against Node.

import { describeApp } from '../contracts/app.ts'
import { startServer } from '../servers.ts'

describeApp('node', options => startServer('node', options))
