/** Runs `work` on every item, at most `limit` at once. After a failure nothing new begins; the first one is thrown. */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]();
  let failed = false;
  async function worker(): Promise<void> {
    for (let next = queue.next(); !next.done && !failed; next = queue.next()) {
      try {
        await work(next.value);
      } catch (cause) {
        failed = true;
        throw cause;
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: limit }, worker)); // no work outlives the call
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
