// The page that a browser gets at `/`: the repositories in a table. Values are escaped by the template.

import { html } from 'hono/html'

export interface IndexEntry {
  readonly package: string
  readonly type: string
  readonly description: string
  readonly url: string
}

export async function printIndexPage(
  version: string,
  entries: readonly (readonly [string, IndexEntry])[],
): Promise<string> {
  const rows = entries.map(
    ([name, entry]) => html`<tr>
        <td>${name}</td>
        <td>${entry.package}</td>
        <td>${entry.type}</td>
        <td><code>${entry.url}</code></td>
        <td>${entry.description}</td>
      </tr>`,
  )
  const page = await html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>artifactapi</title>
    <style>
      :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
      body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
      table { border-collapse: collapse; width: 100% }
      th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }
    </style>
  </head>
  <body>
    <h1>artifactapi ${version}</h1>
    <table>
      <thead><tr><th>Repository</th><th>Package</th><th>Type</th><th>URL</th><th>Description</th></tr></thead>
      <tbody>${rows}</tbody>
    </table>
    <p><a href="/health">health</a> · <a href="/ready">ready</a> · <a href="/config">config</a> · <a href="/metrics">metrics</a></p>
  </body>
</html>
`
  return String(page)
}
