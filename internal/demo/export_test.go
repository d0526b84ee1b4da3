package demo

// Seed is the world's that the demo plays.
const Seed = seed
