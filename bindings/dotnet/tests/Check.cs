using System;
using System.Collections.Generic;
using System.IO;
using Amt;

namespace AmtTests
{
    // What all tests share: checks that throw, files of the repository, and a run that prints one line for each test.
    internal static class Check
    {
        internal static readonly string Root = Need("AMT_ROOT");

        internal static string Need(string variable)
        {
            string value = Environment.GetEnvironmentVariable(variable);
            if (string.IsNullOrEmpty(value))
            {
                throw new InvalidOperationException("set " + variable);
            }
            return value;
        }

        internal static byte[] TestFile(string name)
        {
            return File.ReadAllBytes(Path.Combine(Root, "testdata/provisioning", name));
        }

        internal static void True(bool condition, string what)
        {
            if (!condition)
            {
                throw new Exception("does not hold: " + what);
            }
        }

        internal static void Equal<T>(T expected, T actual, string what)
        {
            True(EqualityComparer<T>.Default.Equals(expected, actual), what + " is " + actual + ", not " + expected);
        }

        // The call must fail with this code, and say why, where and what to do.
        internal static AmtException Fails(AmtCode code, Action call)
        {
            var error = Throws<AmtException>(call);
            Equal(code, error.Code, "the code of “" + error.Message + "”");
            True(error.Message.Length > 0 && error.Stage.Length > 0 && error.Hint.Length > 0, "every part of " + error.Name);
            Equal(code.ToString().ToLowerInvariant(), error.Name.Replace("_", "").ToLowerInvariant(), "the name");
            return error;
        }

        internal static T Throws<T>(Action call) where T : Exception
        {
            try
            {
                call();
            }
            catch (T error)
            {
                return error;
            }
            throw new Exception("nothing was thrown, " + typeof(T).Name + " was expected");
        }
    }

    internal static class Program
    {
        private static int failed;

        // Without an argument everything; `examples`: the programs of the examples alone, as a release's packages are tried.
        private static int Main(string[] arguments)
        {
            string which = string.Join(" ", arguments);
            if (which != "" && which != "examples")
            {
                Console.Error.WriteLine("usage: AmtTests.exe [examples]");
                return 2;
            }
            if (which == "")
            {
                DeclarationTests.All();
                HelloTests.All();
                ListenerTests.All();
                PreflightTests.All();
                SetupBinTests.All();
                MisuseTests.All();
                ProvisionTests.All();
                DeviceTests.All();
                MutualTests.All();
                LocalTests.All();
                FleetTests.All();
            }
            ExampleTests.All();
            return failed == 0 ? 0 : 1;
        }

        internal static void Test(string name, Action test)
        {
            try
            {
                test();
                Console.WriteLine("ok " + name);
            }
            catch (Exception error)
            {
                failed++;
                Console.WriteLine("FAILED " + name + ": " + error);
            }
        }
    }
}
