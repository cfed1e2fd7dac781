import { Fault } from '../base/fault.ts';
import type { PackagePreset } from '../manifest/presets/preset.ts';
import { PACKAGE_PRESETS, WAIT_PRESETS } from '../manifest/presets.ts';
import { columns } from '../report/terminal.ts';
import type { World } from './context.ts';

/** What a policy takes in when it names a preset: all of them in a line each, or one in full. */
export function presets(world: Pick<World, 'print' | 'json'>, name: string | undefined): void {
  const all = [...PACKAGE_PRESETS, ...WAIT_PRESETS];
  const chosen = name === undefined ? all : all.filter((preset) => preset.name === name);
  if (chosen.length === 0) {
    const hint = `Use one of: ${all.map((preset) => preset.name).join(', ')}.`;
    throw new Fault('NOT_FOUND', `there is no preset ${JSON.stringify(name)}`, { hint });
  }
  const [one] = chosen;
  if (world.json) world.print(`${JSON.stringify(chosen, null, 2)}\n`);
  else if (name === undefined || !one) {
    world.print(
      columns(
        all.map((p) => [p.name, `version ${p.version}`, p.says]),
        '',
      ),
    );
  } else {
    const rows = 'seen' in one ? columns([['wait', 'seen', one.seen]], '  ') : patternRows(one);
    world.print(`${one.name}, version ${one.version}: ${one.says}\n${rows}`);
  }
}

function patternRows({ patterns, except }: PackagePreset): string {
  return columns(
    [
      ...patterns.map(({ match, why }) => ['match', match, why]),
      ...except.map(({ match, why }) => ['except', match, why]),
    ],
    '  ',
  );
}
