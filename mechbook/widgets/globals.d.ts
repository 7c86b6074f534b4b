/** Declared by mechbook/widgets/bundle.py before the bundle's first line: the hash of it all, the style, the roles, what trains. */
declare const BOOK: {
  version: string;
  style: string;
  roles: Record<string, { colour: string; dashes: number[] }>;
  worker: string;
  kernels: string;
};

/** The widgets' version, which mechbook/site/serving.py tells live.js. */
declare const VERSION: string;
/** The index's version, which mechbook/site/search.py tells search.js. */
declare const INDEX: string;

/** What scripts of a page share. */
declare var mechbook: { widgets: Record<string, (place: { model: object; el: HTMLElement }) => Promise<unknown>> };
declare var mechbookStore: (id: string, description: object, data: string) => void;
declare var mechbookSearch: { options: any; ask: any; index?: string };
declare var mechbookAnswer: (query: string) => Promise<object[]>;
declare var MiniSearch: any;
