import { basename } from 'node:path';
import { Fault } from '../base/fault.ts';
import { checkLine } from '../forge/forge.ts';
import { type PinsKind, readClientPins } from '../manifest/client-pins.ts';
import { columns } from '../report/terminal.ts';
import { mirrorOf, openState, type World } from './context.ts';
import { type Delivered, type Delivery, deliver } from './deliver.ts';
import { type PinsRequest, pinsPlan } from './plan-pins.ts';
import { scopes } from './promote.ts';
import { readState, teamOf, tierOf } from './state.ts';
import { withUpgrades } from './upgrades.ts';

export interface ImportRequest {
  readonly kind: PinsKind;
  readonly file: string;
  readonly text: string;
  readonly team: string;
  readonly tier: string;
  readonly set?: string | undefined;
  readonly reason?: string | undefined;
  readonly owner: string;
  readonly until?: string | undefined;
  readonly holdsOnly: boolean;
  readonly how: Delivery;
  readonly all: boolean;
}

/** Turns what clients pinned by themselves into holds and builds of the tier that they follow, and says of every line what became of it. */
export async function importFrom(world: World, request: ImportRequest): Promise<Delivered[]> {
  const { kind, file, team, tier } = request;
  const { pins, passed } = readClientPins(kind, request.text, file);
  const asked = askedOf(request, pins);
  const mirror = mirrorOf(world);
  const { repo, main } = await openState(world);
  const state = await readState(repo, main);
  tierOf(teamOf(state.policies, team), tier);
  const scope = oneSet(scopes(state, { team, to: tier }), request.set);
  const { plan: bare, accounts } = await pinsPlan(state, mirror.catalog, scope, asked, world.now);
  const plan = await withUpgrades(bare, state, mirror.catalog, scope);
  if (!world.json) {
    const rows = [
      ...accounts.map((a) => ({ line: a.line, cells: [a.text, a.outcome, a.says] })),
      ...passed.map((p) => ({ line: p.line, cells: [p.text, 'not taken', p.why] })),
    ].sort((a, b) => a.line - b.line);
    world.print(`${file}\n${columns(rows.map(({ line, cells }) => [`line ${line}`, ...cells]))}`);
  }
  const options: [string, string][] = [['Sluice-Import', JSON.stringify(asked)]];
  const trailers = { verb: 'import', scope: `${team}/${tier} ${scope.set}`, now: world.now, options };
  const { how, all } = request;
  const delivered = await deliver(world, { plan, state, repo, mirror, asked: trailers, how, all });
  return [
    {
      ...delivered,
      accounts: [...accounts, ...passed.map((p) => ({ ...p, outcome: 'not taken', says: p.why }))],
    },
  ];
}

function askedOf(request: ImportRequest, pins: PinsRequest['pins']): PinsRequest {
  const { kind, reason, owner, until, holdsOnly } = request;
  const file = basename(request.file === '-' ? 'standard input' : request.file);
  checkLine('the name of the file', file);
  if (reason !== undefined) checkLine('--reason', reason);
  checkLine('--owner', owner, undefined, 200);
  if (pins.length === 0) {
    const hint = 'Name the locklist, the dnf.conf or .repo file, or what rpm -qa printed.';
    throw new Fault('USAGE', 'it pins nothing', { hint, at: request.file });
  }
  if (until !== undefined && !/^\d{4}-\d\d-\d\d$/.test(until)) {
    throw new Fault('USAGE', `--until ${JSON.stringify(until)} is no day`, {
      hint: 'Write it as 2027-03-31.',
    });
  }
  return {
    file,
    pins,
    owner,
    together: kind === 'rpm-qa',
    holdsOnly,
    ...(reason === undefined ? {} : { reason }),
    ...(until === undefined ? {} : { until }),
  };
}

function oneSet<T extends { readonly set: string }>(found: readonly T[], set: string | undefined): T {
  const chosen = set === undefined ? found : found.filter((scope) => scope.set === set);
  const [only, ...more] = chosen;
  if (only && more.length === 0) return only;
  const hint = `Add --set ${found.map((scope) => scope.set).join(' or --set ')}.`;
  if (set === undefined) throw new Fault('USAGE', 'the team has more than one client set', { hint });
  throw new Fault('NOT_FOUND', `the team has no client set ${set}`, { hint });
}
