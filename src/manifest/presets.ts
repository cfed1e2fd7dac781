import { Fault, quote } from '../base/fault.ts';
import { compileRegex, type Preset } from './pattern.ts';
import { BEATTIE } from './presets/beattie.ts';
import { KERNEL_SPACE } from './presets/kernel-space.ts';
import type { PackagePreset, WaitPreset } from './presets/preset.ts';
import { SERVICES } from './presets/services.ts';

export const PACKAGE_PRESETS: readonly PackagePreset[] = [KERNEL_SPACE, SERVICES];
export const WAIT_PRESETS: readonly WaitPreset[] = BEATTIE;

const compiled = new Map<string, Preset>();

/** POLICY_INVALID with the list where there is none of that name. */
export function packagePreset(name: string): Preset {
  const known = compiled.get(name) ?? compile(find(PACKAGE_PRESETS, name));
  compiled.set(name, known);
  return known;
}

export function waitPreset(name: string): WaitPreset {
  return find(WAIT_PRESETS, name);
}

function compile({ name, patterns, except }: PackagePreset): Preset {
  const [meant, not] = [patterns, except].map((list) => list.map(({ match }) => compileRegex(match)));
  const some = (list: typeof meant, word: string) => list?.some((p) => p.matches(word)) ?? false;
  return { name, matches: (word) => some(meant, word) && !some(not, word) };
}

function find<T extends { readonly name: string }>(presets: readonly T[], name: string): T {
  const preset = presets.find((p) => p.name === name);
  if (preset) return preset;
  const names = presets.map((p) => p.name).join(', ');
  throw new Fault('POLICY_INVALID', `there is no preset ${quote(name)} here`, {
    hint: `Use one of: ${names}. sluice presets shows what each of them says.`,
  });
}
