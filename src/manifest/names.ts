import { compileGlob, compileRegex, type Filter, type Pattern } from './pattern.ts';
import { attempt, type PolicyFile, refuse } from './policy-reading.ts';
import { packagePreset } from './presets.ts';
import type { Path } from './yaml.ts';

/** What a policy says of package names: a preset with what it lacks and what it has too much, or one pattern. */
export interface NamesData {
  readonly preset?: string;
  readonly add?: readonly string[];
  readonly except?: readonly string[];
  readonly match?: string;
  readonly glob?: string;
}

type Names = Pick<Filter, 'preset' | 'add' | 'except' | 'match'>;

/** Complaints stand at their keys below `key`. */
export function readNames(names: NamesData, key: Path, file: PolicyFile): Names {
  const { preset, match, glob } = names;
  if (preset !== undefined && (match !== undefined || glob !== undefined)) {
    const other = match === undefined ? 'glob' : 'match';
    const hint = 'List further names under add, and what is not meant under except.';
    refuse(file, [...key, other], 'must not stand beside preset', hint, 'key');
  }
  if (preset === undefined && names.add !== undefined) {
    refuse(file, [...key, 'add'], 'adds to a preset, and none is named', 'Name the preset.', 'key');
  }
  if (match !== undefined && glob !== undefined) {
    refuse(file, [...key, 'glob'], 'must not stand beside match', 'Keep one of the two.', 'key');
  }
  const pattern =
    match !== undefined
      ? attempt(file, [...key, 'match'], () => compileRegex(match))
      : glob !== undefined
        ? attempt(file, [...key, 'glob'], () => compileGlob(glob))
        : undefined;
  const included =
    preset === undefined ? undefined : attempt(file, [...key, 'preset'], () => packagePreset(preset));
  return {
    ...(included ? { preset: included } : {}),
    ...patternsAt('add', names.add, key, file),
    ...patternsAt('except', names.except, key, file),
    ...(pattern ? { match: pattern } : {}),
  };
}

function patternsAt(
  which: 'add' | 'except',
  list: readonly string[] | undefined,
  key: Path,
  file: PolicyFile,
): { add?: readonly Pattern[]; except?: readonly Pattern[] } {
  if (!list) return {};
  return {
    [which]: list.flatMap((text, i) => attempt(file, [...key, which, i], () => compileRegex(text)) ?? []),
  };
}
