import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../base/fault.ts';
import { byCodeUnit } from '../base/order.ts';
import { writeFileAtomic } from '../pool/disk.ts';

/** What is known of one RPM file by the rules of one upstream. */
export interface PackageVerdict {
  /** Why it must stay out, as a clause; absent: it may come in. */
  readonly refused?: string;
  /** Fingerprints of those whose signatures counted. */
  readonly by: readonly string[];
  /** sha256 of main header and payload, hex: the same however the file was signed. */
  readonly content: string;
  /** The id of the metadata record that was held against it. */
  readonly record: string;
}

/** By checksum text. Derived, never truth: lost, or of other rules, every file is examined once more. */
export class Verdicts {
  readonly #path: string;
  readonly #mirrorRoot: string;
  readonly #rules: string;
  readonly #known: Map<string, PackageVerdict>;
  #changed = false;

  private constructor(mirrorRoot: string, path: string, rules: string, known: Map<string, PackageVerdict>) {
    this.#mirrorRoot = mirrorRoot;
    this.#path = path;
    this.#rules = rules;
    this.#known = known;
  }

  /** Those of an upstream that were reached by the rules with this digest. */
  static async open(mirrorRoot: string, upstream: string, rules: string): Promise<Verdicts> {
    const path = join(mirrorRoot, 'state', 'verdicts', `${upstream}.json`);
    return new Verdicts(mirrorRoot, path, rules, await readKnown(path, rules));
  }

  /** Whether anything was judged by these rules before. */
  get isEmpty(): boolean {
    return this.#known.size === 0;
  }

  get(checksum: string): PackageVerdict | undefined {
    return this.#known.get(checksum);
  }

  set(checksum: string, verdict: PackageVerdict): void {
    this.#known.set(checksum, verdict);
    this.#changed = true;
  }

  /** Builds that must stay out, and why. */
  refused(): Map<string, string> {
    const refused = new Map<string, string>();
    for (const [sum, verdict] of this.#known)
      if (verdict.refused !== undefined) refused.set(sum, verdict.refused);
    return refused;
  }

  /** Fingerprints by whose signatures builds counted. */
  signers(): Map<string, readonly string[]> {
    return new Map([...this.#known].map(([sum, { by }]) => [sum, by]));
  }

  async save(): Promise<void> {
    if (!this.#changed) return;
    const packages = Object.fromEntries([...this.#known].sort(([a], [b]) => byCodeUnit(a, b)));
    const text = `${JSON.stringify({ rules: this.#rules, packages }, null, 1)}\n`;
    await writeFileAtomic(this.#path, text, { mirrorRoot: this.#mirrorRoot });
    this.#changed = false;
  }
}

async function readKnown(path: string, rules: string): Promise<Map<string, PackageVerdict>> {
  const known = new Map<string, PackageVerdict>();
  let data: { rules?: unknown; packages?: unknown };
  try {
    data = Object(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || cause instanceof SyntaxError) return known;
    throw cause;
  }
  if (data.rules !== rules) return known;
  for (const [sum, entry] of Object.entries(Object(data.packages))) {
    const { refused, by, content, record } = Object(entry) as Record<string, unknown>;
    if (typeof content !== 'string' || typeof record !== 'string' || !Array.isArray(by)) continue;
    known.set(sum, {
      by: by.map(String),
      content,
      record,
      ...(typeof refused === 'string' ? { refused } : {}),
    });
  }
  return known;
}
