export declare function pkgidOf(element: Buffer, at?: string): string;
export declare function filelistsDocument(count: number): { head: Buffer; tail: Buffer };
