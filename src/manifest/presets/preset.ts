/** Packages that sites treat alike, as the project ships them. Who changes the patterns raises `version` and writes a changelog line. */
export interface PackagePreset {
  readonly name: string;
  readonly version: number;
  /** What it is for, in one sentence. */
  readonly says: string;
  /** Over package names (RE2), each with what it means. */
  readonly patterns: readonly Reasoned[];
  /** Of those, what is not meant. */
  readonly except: readonly Reasoned[];
}

export interface Reasoned {
  readonly match: string;
  readonly why: string;
}

/** How long builds wait after they were seen upstream. */
export interface WaitPreset {
  readonly name: string;
  readonly version: number;
  readonly says: string;
  /** `10d` */
  readonly seen: string;
}
