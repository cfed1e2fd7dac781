export interface CutOptions {
  readonly at: string;
  /** Ceiling of one element in bytes. */
  readonly maxElement?: number;
  /** Accept a root whose `packages="N"` is not the number of elements. Default false. */
  readonly anyCount?: boolean;
}
export declare function cutElements(
  chunks: AsyncIterable<Buffer>,
  name: string,
  o: CutOptions,
): AsyncIterable<Buffer[]>;
