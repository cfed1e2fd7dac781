import { Fault } from '../base/fault.ts';
import type { Active } from './activate.ts';
import { type ClientSet, Sight } from './sight.ts';

export interface Client {
  /** `every build`, `newest, default streams`, `newest, with nodejs:18`. */
  readonly label: string;
  /** For each build of the index: 1 when the client sees it. Equal ones are one object, so that it can stand for the answer. */
  readonly sees: Uint8Array;
}

export interface Clients {
  readonly clients: readonly Client[];
  /** `perl-DBI:1.641`: streams that have builds in the set, and that no client can enable. */
  readonly unusable: readonly string[];
}

/**
 * The clients whose dependencies must hold (design, 4): one that sees every build, one that takes the newest of each
 * name.arch after dnf hid what belongs to other streams than the defaults, and that again with each further stream.
 */
export function clientsOf(set: ClientSet): Clients {
  const sight = new Sight(set);
  if (sight.streams.length > MAX_STREAMS) throw tooMany(sight.streams.length);
  const shared = sharing();
  const clients: Client[] = [{ label: 'every build', sees: shared(sight.every) }];
  const unusable: string[] = [];
  const add = (label: string, active: Active) => clients.push({ label, sees: shared(sight.newest(active)) });
  const defaults = sight.activate([]) ?? NOTHING;
  add('newest, default streams', defaults);
  for (const stream of sight.streams) {
    if (defaults.streams.has(stream)) continue;
    const active = sight.activate([stream]);
    if (active?.streams.has(stream)) add(`newest, with ${stream}`, active);
    else unusable.push(stream);
  }
  return { clients, unusable };
}

/** Each one is a client, for whom everything is asked again. Enterprise Linux 8 has about a hundred. */
const MAX_STREAMS = 1_000;

function tooMany(streams: number): Fault {
  return new Fault('TOO_LARGE', `the set has builds of ${streams} module streams, more than ${MAX_STREAMS}`, {
    hint: 'Look at the module documents of its repositories.',
  });
}

const NOTHING: Active = { variants: new Set(), streams: new Set() };

/** Gives the first of equal sets for each of them. */
function sharing(): (sees: Uint8Array) => Uint8Array {
  const known: Buffer[] = [];
  return (sees) => {
    const bytes = Buffer.from(sees.buffer, sees.byteOffset, sees.length);
    const same = known.find((other) => other.equals(bytes));
    if (same) return same;
    known.push(bytes);
    return bytes;
  };
}
