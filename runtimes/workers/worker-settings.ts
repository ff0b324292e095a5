// The repositories of a Worker: the variable REMOTES_YAML, which a deployment fixes, else a key of Workers KV, which
// may change while it runs, else the starter set.

import { formatNames } from '../../src/app.ts'
import { parseSettings } from '../../src/drivers/yaml-settings.ts'
import { toProblem } from '../../src/model/problem.ts'
import type { Settings } from '../../src/model/repository.ts'
import type { Log } from '../../src/ports/log.ts'
import type { SettingsSource } from '../../src/ports/settings-source.ts'
import { STARTER_SET } from '../shared/starter-set.ts'
import type { Bindings } from './bindings.ts'

const KEY = 'remotes.yaml'

interface Version {
  readonly text: string
  readonly origin: string
  readonly settings: Settings
}

/** Throws `settings-invalid` when the text does not validate. */
export async function openWorkerSettings(env: Bindings, log: Log): Promise<SettingsSource> {
  const listeners = new Set<() => void>()
  let running = toVersion(await readText(env))
  let fault: string | null = null
  for (const warning of running.settings.warnings) log.warn(warning)

  return {
    current: () => running.settings,
    get origin() {
      return running.origin
    },
    fault: () => fault,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async reload() {
      try {
        const text = await readText(env)
        if (text.text !== running.text) {
          running = toVersion(text)
          for (const listener of [...listeners]) listener()
        }
        fault = null
      } catch (error) {
        const { message } = toProblem(error, 'internal', 'Cannot read the configuration again')
        if (message !== fault) log.error(`${message}\nThe configuration that was running goes on`)
        fault = message
      }
    },
  }
}

async function readText(env: Bindings): Promise<{ text: string; origin: string }> {
  if (env.REMOTES_YAML) return { text: env.REMOTES_YAML, origin: 'REMOTES_YAML' }
  const text = (await env.VALUES?.get(KEY)) ?? null
  return text === null
    ? { text: STARTER_SET, origin: 'starter set' }
    : { text, origin: `key ${KEY} of Workers KV` }
}

function toVersion({ text, origin }: { text: string; origin: string }): Version {
  const settings = parseSettings(text, {
    fileName: KEY,
    source: origin === 'starter set' ? 'starter' : 'file',
    formats: formatNames,
    ownsConnections: false,
  })
  return { text, origin, settings }
}
