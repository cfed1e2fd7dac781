/** `2 * variable`, or one more when it is denied. */
export type Literal = number;

export const yes = (variable: number): Literal => variable * 2;
export const no = (variable: number): Literal => variable * 2 + 1;

/** At least one of the literals must be true; `reason` says whose wish that is. */
export interface Clause<Reason> {
  readonly literals: readonly Literal[];
  readonly reason: Reason;
  /** Decided after all others: it may be met by leaving something out, which is best known late. */
  readonly late?: boolean;
}
