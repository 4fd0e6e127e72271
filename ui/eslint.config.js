import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** Imports go down only: pages → features → (api, components, media) → lib. A room on one floor does not know another. */
const ABOVE = {
  lib: ["api", "components", "media", "features", "pages"],
  components: ["api", "media", "features", "pages"],
  media: ["api", "components", "features", "pages"],
  api: ["components", "media", "features", "pages"],
  features: ["pages"],
  pages: [],
};

const floors = Object.entries(ABOVE).map(([room, above]) => ({
  files: [`src/${room}/**/*.{ts,tsx}`],
  rules: {
    "no-restricted-imports": [
      "error",
      { patterns: above.map((each) => ({ regex: `^(\\.\\./)+${each}(/|$)`, message: `${room}/ must not import ${each}/: imports go down only.` })) },
    ],
  },
}));

export default tseslint.config(
  { ignores: ["src/api/schema.ts"] },
  ...tseslint.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  {
    files: ["src/**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "no-restricted-properties": ["error", { property: "innerHTML", message: "Content of users is never executed." }],
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Content of users is never executed." },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  ...floors,
);
