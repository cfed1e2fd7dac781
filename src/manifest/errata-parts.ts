import { Fault } from '../base/fault.ts';
import { parseEvr } from '../rpm/evr.ts';
import { type ErrataName, errataPath, parseErrataPath } from './errata.ts';
import type { KernelChoice } from './errata-policy.ts';
import { compileGlob, compileRegex, type Pattern } from './pattern.ts';
import fixSchema from './schemas/errata-fix.schema.json' with { type: 'json' };
import initSchema from './schemas/errata-init.schema.json' with { type: 'json' };
import { compileSchema, type Schema, validated } from './validate.ts';
import { readYaml, type YamlDocument } from './yaml.ts';

/** `errata/<set>/<date>.fix.yaml`: a removal from one set. */
export interface ErrataRemoval {
  readonly pattern: Pattern;
  readonly reason: string;
  /** `errata/rocky-9-x86_64/2026-11-01.fix.yaml:6:5` */
  readonly at: string;
}

type Part = 'init' | 'fix';

interface InitData extends ErrataName {
  readonly kernel: string;
}

interface FixData extends ErrataName {
  readonly remove: readonly { readonly match?: string; readonly glob?: string; readonly reason: string }[];
}

const validInit = compileSchema<InitData>(initSchema);
const validFix = compileSchema<FixData>(fixSchema);
const CEILING = 512 * 1024;
const PATH = /^(errata\/[^/]+\/[^/]+)\.(init|fix)\.yaml$/;

/** Where people decide before a generated set (`init`), and what they take out of it (`fix`). */
export function errataPartPath(name: ErrataName, part: Part): string {
  return errataPath(name).replace(/\.yaml$/, `.${part}.yaml`);
}

/** The set of a part that stands at `path`; undefined where it is no place of one. */
export function parseErrataPartPath(path: string): (ErrataName & { readonly part: Part }) | undefined {
  const [, stem, part] = PATH.exec(path) ?? [];
  const name = stem === undefined ? undefined : parseErrataPath(`${stem}.yaml`);
  return name && (part === 'init' || part === 'fix') ? { ...name, part } : undefined;
}

/** The kernel of one set. MANIFEST_INVALID with `file:line:col`. */
export function readErrataInit(text: string, path: string): KernelChoice {
  const { doc, data } = readPart(text, path, validInit);
  const at = doc.at(['kernel']);
  return { evr: parseEvr(data.kernel, at), at };
}

/** What one set is to be without. MANIFEST_INVALID or MALFORMED with `file:line:col`. */
export function readErrataFix(text: string, path: string): ErrataRemoval[] {
  const { doc, data } = readPart(text, path, validFix);
  return data.remove.map(({ match, glob, reason }, i) => {
    const at = doc.at(['remove', i]);
    if (match !== undefined && glob === undefined)
      return { pattern: compileRegex(match, doc.at(['remove', i, 'match'])), reason, at };
    if (glob !== undefined && match === undefined)
      return { pattern: compileGlob(glob, doc.at(['remove', i, 'glob'])), reason, at };
    const hint = 'Write one of the two: match is a regular expression, glob a glob.';
    throw new Fault('MANIFEST_INVALID', `remove[${i}] must have match or glob`, { hint, at });
  });
}

function readPart<T extends ErrataName>(
  text: string,
  path: string,
  valid: Schema<T>,
): { doc: YamlDocument; data: T } {
  const doc = readYaml(text, path, { code: 'MANIFEST_INVALID', ceiling: CEILING });
  const data = validated(doc, valid, 'MANIFEST_INVALID');
  const here = parseErrataPartPath(path);
  if (here && here.set === data.set && here.date === data.date) return { doc, data };
  const hint = `Correct set and date, or move it beside ${errataPath(data)}.`;
  const message = `a part of the set ${data.set} of ${data.date} does not belong here`;
  throw new Fault('MANIFEST_INVALID', message, { hint, at: doc.at(['set']) });
}
