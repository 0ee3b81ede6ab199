/** When things run: the only clock of the log. The simulation hands in its own, so that a seed repeats every order. */
export interface Scheduler {
  /** Monotonic, ms. */
  monotonic(): number
  /** Runs `run` after the messages at hand have been taken, so that one frame holds them all. */
  soon(run: () => void): void
  /** Resolves after `ms`. */
  after(ms: number): Promise<void>
}

export const realScheduler: Scheduler = {
  monotonic: () => performance.now(),
  soon: (run) => {
    setImmediate(run)
  },
  after: (ms) =>
    new Promise((resolve) => {
      setTimeout(resolve, ms)
    }),
}
