// Make the index of the search: `node search_index.cjs DOCUMENTS TARGET`, for mechbook/site/search.py.
// A script and not JSON, so that pages from files can load it; within it a string, which a browser reads faster than code.
const { readFileSync, writeFileSync } = require("node:fs");
const MiniSearch = require("minisearch");
require("./search_terms.js");

const [source, target] = process.argv.slice(2);
const index = new MiniSearch(globalThis.mechbookSearch.options);
index.addAll(JSON.parse(readFileSync(source, "utf8")));
writeFileSync(target, `mechbookSearch.index = ${JSON.stringify(JSON.stringify(index))};\n`);
