// The registered formats, one line each.

import type { Format } from './format.ts'
import { generic } from './generic/generic.ts'

export const formats: readonly Format[] = [generic]
