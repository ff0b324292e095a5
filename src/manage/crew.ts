// Work on many things, several at once and never more.

/** Ends when all is done, or with the first failure, when what had begun is over. */
export async function workThrough<Item>(
  items: AsyncGenerator<Item>,
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const one = async () => {
    for await (const item of items) await work(item)
  }
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, one))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

export interface Crew {
  /** Begins `work` as soon as there is room. Fails with what failed before. */
  take(work: () => Promise<void>): Promise<void>
  /** Waits for what is under way; never fails. */
  settle(): Promise<void>
  /** The same, and fails with what failed. */
  finish(): Promise<void>
}

export function createCrew(atOnce: number): Crew {
  const running = new Set<Promise<void>>()
  const failures: unknown[] = []

  async function settle(): Promise<void> {
    while (running.size > 0) await Promise.all(running)
  }

  function refuse(): void {
    if (failures.length > 0) throw failures[0]
  }

  return {
    async take(work) {
      while (running.size >= atOnce) await Promise.race(running)
      refuse()
      const job = work()
        .catch(error => void failures.push(error))
        .finally(() => running.delete(job))
      running.add(job)
    },
    settle,
    async finish() {
      await settle()
      refuse()
    },
  }
}

/** Work on the same name is done one after the other. */
export function createTurns(): (name: string, work: () => Promise<void>) => Promise<void> {
  const last = new Map<string, Promise<void>>()
  return async (name, work) => {
    const before = last.get(name) ?? Promise.resolve()
    const mine = before.catch(() => {}).then(work)
    last.set(name, mine)
    try {
      await mine
    } finally {
      if (last.get(name) === mine) last.delete(name)
    }
  }
}
