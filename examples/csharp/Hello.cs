// What a captured hello says: Hello.exe FILE
using System;
using System.IO;
using Amt;

internal static class HelloExample
{
    private static int Main(string[] arguments)
    {
        try
        {
            using (Hello hello = Hello.Parse(File.ReadAllBytes(arguments[0])))
            {
                Console.WriteLine("machine {0}, {1}, retry {2}", hello.Uuid, hello.Kind, hello.Retry);
                foreach (HelloRoot root in hello.Roots)
                {
                    Console.WriteLine("  trusts {0}", root);
                }
            }
            return 0;
        }
        catch (AmtException error)
        {
            Console.Error.WriteLine("{0} at {1}: {2}\n{3}", error.Name, error.Stage, error.Message, error.Hint);
            return 1;
        }
    }
}
