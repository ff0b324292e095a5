// The app suite against Bun.

import { describeApp } from '../contracts/app.ts'
import { startServer } from '../servers.ts'

describeApp('bun', options => startServer('bun', options))
