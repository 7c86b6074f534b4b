// The rules for the widgets' scripts. CommonJS, as the packages lie in _vendor, where only NODE_PATH leads.
const js = require("@eslint/js");
const globals = require("globals");

module.exports = [
  js.configs.recommended,
  {
    files: ["mechbook/**/*.js"],
    linterOptions: { reportUnusedDisableDirectives: "error" },
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: { ...globals.browser, BOOK: "readonly" } },
    rules: {
      eqeqeq: "error",
      "no-undef": "error",
      "no-unused-vars": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    // Loaded as they are; serving.py tells the first its version.
    files: ["mechbook/site/live.js", "mechbook/site/search*.js"],
    languageOptions: { sourceType: "script", globals: { VERSION: "readonly", INDEX: "readonly" } },
  },
  {
    // Run by Node.js when the site is built.
    files: ["mechbook/site/*.cjs"],
    languageOptions: { sourceType: "commonjs", globals: globals.node },
  },
];
