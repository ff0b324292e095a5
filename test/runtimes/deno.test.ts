// The app suite against Deno.

import { describeApp } from '../contracts/app.ts'
import { startServer } from '../servers.ts'

describeApp('deno', options => startServer('deno', options))
