import type { Checksum } from '../base/checksum.ts';
export interface ModuleDocument {
  /** `modulemd`, `modulemd-defaults`, `modulemd-obsoletes`, `modulemd-packager`, or what a later libmodulemd adds. */
  readonly kind: string;
  readonly version: number;
  readonly name?: string;
  readonly stream?: string;
  readonly moduleVersion?: string;
  readonly context?: string;
  readonly arch?: string;
  /** NEVRAs as written, always with the epoch. */
  readonly artifacts: readonly string[];
  /** `nodejs:18:9020230327152102:rhel9:x86_64`. */
  readonly nsvca?: string;
  /** The document's own text after `---\n`. */
  readonly bytes: Buffer;
  readonly digest: Checksum;
}
export declare function readModules(bytes: Buffer, at: string): ModuleDocument[];
export declare function writeModules(docs: readonly ModuleDocument[]): Buffer;
