export declare function otherDocument(count: number): { head: Buffer; tail: Buffer };
