// What /metrics tells. Where several processes serve one address, whoever is asked tells the figures of all of them,
// each with its own `worker` label: else every scrape would see another one.

import type { Repositories } from '../repositories/repositories.ts'
import { createGauges } from './gauges.ts'

export interface Figures {
  /** Prometheus text of this process alone. */
  own(): Promise<string>
  /** The same of all that serve beside it, too. */
  all(): Promise<string>
}

export function createFigures(repositories: Repositories): Figures {
  const { peers, services } = repositories
  const gauges = createGauges(repositories)

  async function own(): Promise<string> {
    await gauges.refresh()
    return services.meter.render()
  }

  return {
    own,
    async all() {
      if (peers === null || peers.worker === null) return own()
      const others = peers.siblings().map(async ({ worker, address }) => {
        // One that has just died counts again when it is back.
        const text = await peers.figures(address).catch(() => '')
        return { worker, text }
      })
      return mergeFigures([{ worker: peers.worker, text: await own() }, ...(await Promise.all(others))])
    },
  }
}

interface WorkerText {
  readonly worker: string
  readonly text: string
}

/** Families stay together, as the format wants it; every series gets the label of its worker. */
export function mergeFigures(all: readonly WorkerText[]): string {
  const families = new Map<string, { readonly head: string[]; readonly series: string[] }>()
  for (const { worker, text } of all) {
    let family: { readonly head: string[]; readonly series: string[] } | null = null
    for (const line of text.split('\n')) {
      const [, kind, name = ''] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? []
      if (kind !== undefined) {
        family = families.get(name) ?? { head: [], series: [] }
        families.set(name, family)
        if (!family.head.includes(line)) family.head.push(line)
      } else if (line !== '') {
        family?.series.push(withLabel(line, worker))
      }
    }
  }
  return [...families.values()].map(({ head, series }) => `${[...head, ...series].join('\n')}\n`).join('')
}

function withLabel(line: string, worker: string): string {
  const label = `worker="${worker}"`
  const brace = line.indexOf('{')
  if (brace === -1) return line.replace(' ', `{${label}} `)
  return `${line.slice(0, brace + 1)}${label},${line.slice(brace + 1)}`
}
