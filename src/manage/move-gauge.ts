// How far a move is, also in the middle of a blob that takes hours.

export interface MoveProgress {
  /** All is gone through, and where it changed meanwhile again. */
  readonly pass: number
  readonly objects: number
  readonly bytes: number
  /** More may come while it runs. */
  readonly allObjects: number
  readonly allBytes: number
  readonly copiedBytes: number
}

export interface MoveGauge {
  begin(pass: number, all: { readonly objects: number; readonly bytes: number }): void
  /** A blob that is under way. */
  openBlob(): OpenBlob
  /** Objects that are done with, and the bytes they stand for. */
  count(objects: number, bytes: number): void
}

export interface OpenBlob {
  pass(bytes: number): void
  /** What is not kept is as if it had never come. */
  end(isKept: boolean): void
}

export function createMoveGauge(report: (progress: MoveProgress) => void): MoveGauge {
  let now: MoveProgress = { pass: 1, objects: 0, bytes: 0, allObjects: 0, allBytes: 0, copiedBytes: 0 }
  let underWay = 0

  function tell(): void {
    const { pass, objects, allObjects, allBytes } = now
    report({
      pass,
      objects,
      bytes: now.bytes + underWay,
      allObjects: Math.max(allObjects, objects),
      allBytes: Math.max(allBytes, now.bytes + underWay),
      copiedBytes: now.copiedBytes + underWay,
    })
  }

  return {
    begin(pass, all) {
      now = { ...now, pass, objects: 0, bytes: 0, allObjects: all.objects, allBytes: all.bytes }
    },
    openBlob() {
      let passed = 0
      return {
        pass(bytes) {
          passed += bytes
          underWay += bytes
          tell()
        },
        end(isKept) {
          underWay -= passed
          if (isKept) now = { ...now, copiedBytes: now.copiedBytes + passed }
          passed = 0
        },
      }
    },
    count(objects, bytes) {
      now = { ...now, objects: now.objects + objects, bytes: now.bytes + bytes }
      tell()
    },
  }
}
