/** What goes wrong, once unless `times` says otherwise, at the next request that fits. */
export interface PlannedFault {
  readonly kind:
    | 'drop' // the connection breaks before anything was done
    | 'drop-after' // it was done, and the answer is lost
    | 'delay' // `ms` of real time
    | 'duplicate' // a proxy sends it twice; the second answer arrives
    | '502' // nothing was done
    | '502-after' // it was done
    | 'moved-head' // somebody pushes to `branch` just before
    | 'expired-token' // this token is of no use any more
    | 'primary-limit'
    | 'secondary-limit'; // with `retry-after` where `retryAfter` is given
  readonly method?: string;
  /** As in `requests`: `/repos/{owner}/{repo}/pulls`; or an operation's id: `pulls/create`; `git` for smart HTTP. */
  readonly route?: string;
  readonly times?: number;
  /** So many that fit pass first. */
  readonly after?: number;
  readonly ms?: number;
  readonly retryAfter?: number;
  readonly branch?: string;
}

export class Faults {
  #planned: { fault: PlannedFault; left: number; skip: number }[] = [];

  add(...faults: PlannedFault[]): void {
    this.#planned.push(...faults.map((fault) => ({ fault, left: fault.times ?? 1, skip: fault.after ?? 0 })));
  }

  /** Takes the next one for this request. */
  take(method: string, route: string, id: string): PlannedFault | undefined {
    for (const entry of this.#planned) {
      const { fault } = entry;
      if (fault.method !== undefined && fault.method !== method) continue;
      if (fault.route !== undefined && fault.route !== route && fault.route !== id) continue;
      if (entry.skip > 0) {
        entry.skip -= 1;
        continue;
      }
      entry.left -= 1;
      if (entry.left <= 0) this.#planned = this.#planned.filter((other) => other !== entry);
      return fault;
    }
    return undefined;
  }

  /** Faults that no request met: a test that planned one and never met it shows nothing. */
  get unmet(): readonly PlannedFault[] {
    return this.#planned.map(({ fault }) => fault);
  }
}
