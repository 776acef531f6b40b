/** Style sheets are gathered by the bundler; they export nothing. */
declare module "*.css";
