using System.Runtime.CompilerServices;

// The test that compares the declarations with amt.h.
[assembly: InternalsVisibleTo("AmtTests")]
