// The version, from the one place that has it; compiled into the binary with the rest.

import manifest from '../../package.json' with { type: 'json' }

export const version: string = manifest.version
