import { Fault } from '../base/fault.ts';
import { isWord } from '../manifest/ids.ts';
import type { World } from './context.ts';
import type { Delivered } from './deliver.ts';
import { type HotfixRequest, hotfix } from './hotfix.ts';

/** What a person typed into the form of a workflow. It comes by the environment: in a script it would be one. */
export interface HotfixInputs extends Pick<HotfixRequest, 'named' | 'to' | 'reason'> {
  /** Undefined: every team that has it. */
  readonly teams: readonly string[] | undefined;
}

/** USAGE for what is missing or cannot be meant. What the words name is looked up by the flow. */
export function readHotfixInputs(env: World['env']): HotfixInputs {
  const need = (name: string): string => {
    const value = env[`SLUICE_INPUT_${name}`]?.trim() ?? '';
    if (value !== '') return value;
    throw new Fault('USAGE', `SLUICE_INPUT_${name} is empty`, {
      hint: 'Fill in every field of the form, or name packages, teams and tier on the command line.',
    });
  };
  const words = (name: string): string[] => [
    ...new Set(
      need(name)
        .split(/[\s,]+/)
        .filter((word) => word !== ''),
    ),
  ];
  const named = words('PACKAGES');
  const option = named.find((word) => word.startsWith('-'));
  if (option !== undefined) {
    throw new Fault('USAGE', `${JSON.stringify(option)} is no package`, {
      hint: 'Name packages, advisories or CVEs.',
    });
  }
  const teams = words('TEAMS');
  const odd = teams.find((word) => !isWord(word));
  if (odd !== undefined) {
    throw new Fault('USAGE', `${JSON.stringify(odd)} is no team`, {
      hint: 'Name teams with spaces between, or all.',
    });
  }
  if (teams.includes('all') && teams.length > 1) {
    throw new Fault('USAGE', 'all stands alone', { hint: 'Name teams with spaces between, or all.' });
  }
  return { named, teams: teams[0] === 'all' ? undefined : teams, to: need('TIER'), reason: need('REASON') };
}

/** Of several teams, each is planned before anything is proposed for one. */
export async function hotfixByInputs(
  world: World,
  request: Omit<HotfixRequest, 'named' | 'team' | 'to' | 'reason'>,
): Promise<Delivered[]> {
  const { teams, ...inputs } = readHotfixInputs(world.env);
  if (teams === undefined) return await hotfix(world, { ...request, ...inputs, team: undefined });
  if (teams.length > 1) {
    const quiet = { ...world, print: () => {} };
    for (const team of teams) await hotfix(quiet, { ...request, ...inputs, team, sync: false, how: 'show' });
  }
  const delivered: Delivered[] = [];
  for (const team of teams) delivered.push(...(await hotfix(world, { ...request, ...inputs, team })));
  return delivered;
}
