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
    // Loaded as it is, beside RequireJS.
    files: ["mechbook/site/widgets-config.js"],
    languageOptions: { sourceType: "script", globals: { requirejs: "readonly" } },
  },
];
