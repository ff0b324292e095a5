// Figures to text: medians, and one table with what must be reached.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export function number(value, digits = 0) {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** `reached`: null where nothing was asked for. */
export function printTable(rows) {
  const head = ['what', 'artifactapi', 'beside it', 'ratio', 'must be', '']
  const body = rows.map(row => [
    row.what,
    row.ours,
    row.other ?? '',
    row.ratio === undefined ? '' : row.ratio.toFixed(2),
    row.goal ?? '',
    row.isReached === undefined ? '' : row.isReached ? 'ok' : 'SHORT',
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...body.map(line => line[column].length)))
  const print = line =>
    console.log(`| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`)
  console.log('')
  print(head)
  print(widths.map(width => '-'.repeat(width)))
  for (const line of body) print(line)
}
