// The app suite against Bun without memory for hot bodies: every request goes the long way, and nothing differs.

import { describeApp } from '../contracts/app.ts'
import { startServer } from '../servers.ts'

describeApp('bun', options => startServer('bun', { ...options, env: { HOT_CACHE_MB: '0', ...options.env } }))
