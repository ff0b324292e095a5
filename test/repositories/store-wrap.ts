// Blob stores that behave as a test wants: everything is the store below, except what is given.

import type { BlobStore, Stage } from '../../src/ports/blob-store.ts'

/** Every stage that is opened has what `change` answers instead of its own. */
export function withStages(store: BlobStore, change: (stage: Stage) => Partial<Stage>): BlobStore {
  return {
    ...store,
    stage: async options => {
      const stage = await store.stage(options)
      return {
        id: stage.id,
        get offset() {
          return stage.offset
        },
        write: chunk => stage.write(chunk),
        commit: announce => stage.commit(announce),
        suspend: () => stage.suspend(),
        discard: () => stage.discard(),
        read: stage.read?.bind(stage),
        close: stage.close?.bind(stage),
        ...change(stage),
      }
    },
  }
}

/** A promise that the test settles. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open: () => open() }
}
