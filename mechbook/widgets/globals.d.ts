/** Declared by mechbook/widgets/bundle.py before the bundle's first line: the hash of it all, the style, the roles, what trains. */
declare const BOOK: {
  version: string;
  style: string;
  roles: Record<string, { colour: string; dashes: number[] }>;
  worker: string;
  kernels: string;
};

/** What RequireJS and MathJax 3 bring, as far as mechbook/site/widgets-config.js asks for it. */
declare const requirejs: { config(settings: { paths: Record<string, string> }): void };
interface Window {
  MathJax?: {
    startup?: { promise: Promise<void> };
    typesetPromise(elements: Element[]): Promise<void>;
    Hub?: object;
  };
}
