/** Declared by mechbook/widgets/bundle.py before the bundle's first line: the hash of it all, the style, the roles. */
declare const BOOK: {
  version: string;
  style: string;
  roles: Record<string, { colour: string; dashes: number[] }>;
};
