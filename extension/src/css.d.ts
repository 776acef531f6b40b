/** Style sheets are gathered by the bundler; what the JupyterLab extension needs of them is their text. */
declare module "*.css" {
  const text: string;
  export default text;
}

declare module "*.svg" {
  const text: string;
  export default text;
}
