import type { Fault } from '../base/fault.ts';
import { lockPath, snapshotPath } from '../manifest/ids.ts';
import { recalledFault, recallsOf } from '../manifest/recall.ts';
import { readPins } from '../manifest/snapshot.ts';
import { formatNevra } from '../rpm/nevra.ts';
import type { State } from './state.ts';

/** Every recalled build that any manifest pins, at its line. */
export function recalledPins(state: State): Fault[] {
  const recalls = recallsOf(state.policies);
  const faults: Fault[] = [];
  for (const name of recalls.all.length > 0 ? state.repositories : []) {
    if (!recalls.mayBeIn(state.files.get(lockPath(name)) ?? '')) continue;
    const path = snapshotPath(name);
    let read: ReturnType<typeof readPins> | undefined;
    for (const pin of state.snapshot(name)?.pins ?? []) {
      const recall = recalls.of(pin);
      if (!recall) continue;
      read ??= readPins(state.files.get(path) ?? '', path);
      const text = formatNevra(pin.nevra);
      const line = read.builds.find((build) => build.text === text);
      faults.push(recalledFault(text, recall, line ? read.at(line.offset) : path));
    }
  }
  return faults;
}
