// Formulas as HTML, for mechbook/site/formulas.py: `node formulas.cjs SOURCE TARGET FONTS`.
// SOURCE is a list of [TeX, whether it is displayed]; TARGET becomes {"formulas": [HTML], "style": CSS}, with MathML for
// those who listen in each formula, and the style of the characters that occur. FONTS is where the style finds its fonts.
const { readFileSync, writeFileSync } = require("node:fs");

const [source, target, fontURL] = process.argv.slice(2);

async function main() {
  const MathJax = await require("mathjax").init({
    loader: { load: ["input/tex", "output/chtml", "a11y/assistive-mml"] },
    chtml: { fontURL },
    // A formula that is wrong stops the build, with its text; it is not printed in red.
    tex: { packages: { "[-]": ["noundefined"] }, formatError: (_, error) => { throw error; } },
    startup: { typeset: false },
  });
  const { adaptor } = MathJax.startup, formulas = [];
  for (const [tex, display] of JSON.parse(readFileSync(source, "utf8"))) {
    try {
      formulas.push(adaptor.outerHTML(await MathJax.tex2chtmlPromise(tex, { display })));
    } catch (error) {
      throw new Error(`${/** @type {Error} */ (error).message}: ${tex}`);
    }
  }
  writeFileSync(target, JSON.stringify({ formulas, style: adaptor.textContent(MathJax.chtmlStylesheet()) }));
}

main().catch((error) => {
  process.stderr.write(error.message);
  process.exitCode = 1;
});
