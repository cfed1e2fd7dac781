import type { Checksum } from '../base/checksum.ts';
import type { Nevra } from '../rpm/nevra.ts';
export type Severity = 'critical' | 'important' | 'moderate' | 'low' | 'none';
export interface Reference {
  readonly type: string;
  readonly id?: string;
  readonly href?: string;
  readonly title?: string;
}
export interface AdvisoryPackage {
  readonly nevra: Nevra;
  readonly checksum?: Checksum;
  readonly filename?: string;
  readonly reboot?: boolean;
}
export interface Advisory {
  readonly id: string;
  readonly type: string;
  readonly severity: Severity;
  /** As written. */
  readonly severityText?: string;
  readonly title: string;
  readonly issued?: string;
  readonly updated?: string;
  readonly references: readonly Reference[];
  readonly cves: readonly string[];
  readonly packages: readonly AdvisoryPackage[];
  /** The upstream's own bytes of the `<update>` element. */
  readonly bytes: Buffer;
}
export declare function readUpdateinfo(chunks: AsyncIterable<Buffer>, at: string): Promise<Advisory[]>;
export declare function projectUpdateinfo(
  advisories: readonly Advisory[],
  has: (n: Nevra) => boolean,
): Buffer | undefined;
