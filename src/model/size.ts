// Sizes as people write them: 500, "10GB", "1.5 GiB". With "i" a step is 1024, without it 1000.

const STEPS = ['', 'k', 'm', 'g', 't', 'p']

export const SIZE_WORDS = 'a number of bytes, or a size such as "500MB" or "10GiB"'

/** Bytes; null = not a size. */
export function parseSize(value: unknown): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : null
  const match = typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)b?\s*$/i.exec(value) : null
  if (match === null) return null
  const [, digits = '', unit = '', binary = ''] = match
  if (unit === '' && binary !== '') return null
  const bytes = Math.floor(
    Number(digits) * (binary === '' ? 1000 : 1024) ** STEPS.indexOf(unit.toLowerCase()),
  )
  return Number.isSafeInteger(bytes) ? bytes : null
}
