import type { Checksum } from '../base/checksum.ts';
import type { Capability } from '../rpm/capability.ts';
import type { Nevra } from '../rpm/nevra.ts';
export interface PrimaryPackage {
  readonly nevra: Nevra;
  readonly checksum: Checksum;
  readonly size: number;
  readonly installedSize: number;
  readonly buildTime: number;
  readonly fileTime: number;
  readonly href: string;
  readonly base?: string;
  readonly sourceRpm?: string;
  readonly summary: string;
  readonly vendor?: string;
  readonly license?: string;
  readonly provides: readonly Capability[];
  readonly requires: readonly Capability[];
  readonly obsoletes: readonly Capability[];
  readonly conflicts: readonly Capability[];
  readonly recommends: readonly Capability[];
  readonly suggests: readonly Capability[];
  readonly supplements: readonly Capability[];
  readonly enhances: readonly Capability[];
  readonly files: readonly string[];
}
export type Identity = Pick<
  PrimaryPackage,
  'nevra' | 'checksum' | 'size' | 'href' | 'base' | 'sourceRpm' | 'fileTime' | 'buildTime'
>;
export declare function readPackage(element: Buffer, at: string): PrimaryPackage;
export declare function identify(element: Buffer, at: string): Identity;
export declare function relocate(
  element: Buffer,
  to: { href: string; base?: string },
  fileTime?: number,
): Buffer;
export declare function canonicalElement(element: Buffer): Buffer;
export declare function primaryDocument(count: number): { head: Buffer; tail: Buffer };
