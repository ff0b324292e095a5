// The app suite on Bun with HTTP_SERVER=node, whose streamed bodies keep their Content-Length.

import { describeApp } from '../contracts/app.ts'
import { startServer } from '../servers.ts'

describeApp('bun', options =>
  startServer('bun', { ...options, env: { ...options.env, HTTP_SERVER: 'node' } }),
)
