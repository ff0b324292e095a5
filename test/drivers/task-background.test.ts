import { describe, expect, it } from 'vitest'
import { createJsonLog } from '../../src/drivers/json-log.ts'
import { createTaskBackground } from '../../src/drivers/task-background.ts'
import { FakeClock } from '../fake-clock.ts'

describe('task background', () => {
  it('settles when all work is done, also work that other work started', async () => {
    const background = createTaskBackground(quietLog().log)
    const done: string[] = []
    background.run(
      'first',
      later().then(() => {
        done.push('first')
        background.run(
          'second',
          later().then(() => done.push('second')),
        )
      }),
    )
    await background.settle()
    expect(done).toEqual(['first', 'second'])
    expect(background.count()).toBe(0)
  })

  it('logs a failure under the name of the work, and goes on', async () => {
    const { log, lines } = quietLog()
    const background = createTaskBackground(log)
    background.run('collect', Promise.reject(new Error('disk is gone')))
    await background.settle()
    expect(JSON.parse(lines.join(''))).toMatchObject({
      level: 'error',
      msg: 'Background work failed: collect',
      error: { message: 'disk is gone' },
    })
  })

  it('hands the work to the runtime, as something that never fails', async () => {
    const handed: Promise<unknown>[] = []
    const background = createTaskBackground(quietLog().log, work => handed.push(work))
    background.run('a', Promise.reject(new Error('no')))
    await expect(Promise.all(handed)).resolves.toHaveLength(1)
  })
})

function quietLog() {
  const lines: string[] = []
  return {
    log: createJsonLog({ write: text => lines.push(text), level: 'info', clock: new FakeClock() }),
    lines,
  }
}

function later(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 5))
}
