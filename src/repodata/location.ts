export declare function safeHref(href: string, at: string, o?: { parentHref?: boolean }): string;
